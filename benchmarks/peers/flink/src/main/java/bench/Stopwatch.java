package bench;

import java.util.concurrent.atomic.AtomicLong;

/** From the first record to the last, over all tasks of the process. Leaves out what a start of a job costs. */
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

  static void last() {
    LAST.accumulateAndGet(System.nanoTime(), Math::max);
  }

  static double seconds() {
    return (LAST.get() - FIRST.get()) / 1e9;
  }
}
