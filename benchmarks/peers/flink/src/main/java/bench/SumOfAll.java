package bench;

import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Takes what an exchange by key brings, without any state. */
final class SumOfAll extends KeyedProcessFunction<String, Tuple2<String, Long>, Long> {
  private transient LongCounter counted;
  private transient LongCounter sum;
  private transient LastRecord last;

  @Override
  public void open(OpenContext context) {
    counted = getRuntimeContext().getLongCounter(CountByKey.COUNTED);
    sum = getRuntimeContext().getLongCounter("sum");
    last = new LastRecord();
  }

  @Override
  public void processElement(Tuple2<String, Long> record, Context context, Collector<Long> out) {
    counted.add(1);
    sum.add(record.f1);
    last.record();
  }

  @Override
  public void close() {
    last.close();
  }
}
