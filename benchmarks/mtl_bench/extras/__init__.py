"""Extra measurements that are not rows of the table: tasks curve, roofline, lengths, threads."""
