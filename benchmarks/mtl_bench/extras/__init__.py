"""Measurements that stand next to the main table: scaling, roofline, and the cost of more tasks."""
