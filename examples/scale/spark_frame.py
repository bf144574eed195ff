"""Answer the texts of a csv as a step of a Spark pipeline, and count the answers.

python spark_frame.py BUNDLE CSV [MASTER]
"""

import sys

from pyspark.sql import SparkSession

from mtl_runtime.cluster.spark_frames import classify


def main(bundle: str, file: str, master: str = "local[2]") -> None:
    """Run the job."""
    spark = SparkSession.builder.master(master).appName("reviews").getOrCreate()
    rows = spark.read.csv(file, header=True, multiLine=True, escape='"')
    answered = classify(rows, bundle, column="text", prefix="predicted.")
    tasks = [name for name in answered.columns if name.startswith("predicted.") and name.count(".") == 1]
    answered.groupBy(f"`{tasks[0]}`").count().show()
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
