"""What a user reads of an error of Spark's."""

from mtl_runtime.cluster.engines.spark import find_cause

IN_A_WORKER = """[PYTHON_EXCEPTION] An exception was thrown from the Python worker:
Traceback (most recent call last):
  File "/opt/spark/python/pyspark/worker.py", line 3320, in main
    func, profiler = read_command(pickleSer, infile)
ModuleNotFoundError: No module named 'mtl_runtime'
 SQLSTATE: 38000
"""
IN_JAVA = """An error occurred while calling o12.collectToPython.
: org.apache.spark.SparkException: Job aborted
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2856)
"""


def test_what_a_worker_raised_is_named():
    assert find_cause(IN_A_WORKER) == "ModuleNotFoundError: No module named 'mtl_runtime'"


def test_without_an_exception_of_python_the_first_line_is_taken():
    assert find_cause(IN_JAVA) == "An error occurred while calling o12.collectToPython."
    assert find_cause(IN_A_WORKER[:120]) == "[PYTHON_EXCEPTION] An exception was thrown from the Python worker:"
    assert find_cause("") == ""
