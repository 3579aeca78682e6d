# /// script
# dependencies = ["pyspark==4.3.0"]
# ///
"""Spark: a batch of Spark SQL from file to files, with code made for the JVM. Needs Java 17 or newer."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

ticks, bars, cores = sys.argv[1:4]
window = int(sys.argv[4]) * 1_000_000_000
spark = (
    SparkSession.builder.master(f"local[{cores}]")
    .config("spark.driver.memory", "4g")
    .config("spark.sql.shuffle.partitions", cores)
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
read = spark.read.schema("ts_event LONG, symbol STRING, price DOUBLE, size LONG")
tape = read.json(ticks) if ticks.endswith(".jsonl") else read.csv(ticks, header=True)
bar = (
    tape.groupBy("symbol", (f.floor(f.expr(f"ts_event div {window}")) * window).alias("ts_open"))
    .agg(
        f.min_by("price", "ts_event").alias("open"),
        f.max("price").alias("high"),
        f.min("price").alias("low"),
        f.max_by("price", "ts_event").alias("close"),
        f.sum("size").alias("volume"),
        f.count("*").alias("trades"),
        (f.sum(f.col("price") * f.col("size")) / f.sum("size")).alias("vwap"),
    )
    .withColumn("ts_close", f.col("ts_open") + window)
)
columns = ["symbol", "ts_open", "ts_close", "open", "high", "low", "close", "volume", "trades", "vwap"]
bar.select(columns).write.csv(bars)
spark.stop()
