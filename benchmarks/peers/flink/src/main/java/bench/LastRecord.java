package bench;

/** When one task had its last record: the clock is looked at once in 64 records. */
final class LastRecord {
  private static final int RECORDS_PER_LOOK = 64;

  private int records;
  private long nanoTime = Long.MIN_VALUE;

  void record() {
    if (++records % RECORDS_PER_LOOK == 0) nanoTime = System.nanoTime();
  }

  void close() {
    Stopwatch.last(nanoTime);
  }
}
