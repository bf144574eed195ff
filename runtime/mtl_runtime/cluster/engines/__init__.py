"""What runs shards: processes of this machine, a process by its number in an array of jobs, Ray, Spark."""
