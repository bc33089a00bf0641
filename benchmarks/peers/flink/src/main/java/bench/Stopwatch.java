package bench;

import java.util.concurrent.atomic.AtomicLong;

/**
 * From the first record to the last, over all tasks of the process. Leaves out what a start of a job costs, and the
 * last checkpoint, which a task waits for before it closes.
 */
final class Stopwatch {
  private static final AtomicLong FIRST = new AtomicLong();
  private static final AtomicLong LAST = new AtomicLong();

  private Stopwatch() {}

  static void reset() {
    FIRST.set(Long.MAX_VALUE);
    LAST.set(Long.MIN_VALUE);
  }

  static void first() {
    FIRST.accumulateAndGet(System.nanoTime(), Math::min);
  }

  /** {@code nanoTime}: when a task had its last record. */
  static void last(long nanoTime) {
    LAST.accumulateAndGet(nanoTime, Math::max);
  }

  static double seconds() {
    return (LAST.get() - FIRST.get()) / 1e9;
  }
}
