package bench;

import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Each record's key with how many of them there have been. */
final class CountByKey<K> extends KeyedProcessFunction<K, K, Tuple2<K, Long>> {
  static final String COUNTED = "counted";

  private transient ValueState<Long> count;
  private transient LongCounter counted;
  private transient Tuple2<K, Long> result;
  private transient LastRecord last;

  @Override
  public void open(OpenContext context) {
    count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
    counted = getRuntimeContext().getLongCounter(COUNTED);
    result = new Tuple2<>();
    last = new LastRecord();
  }

  @Override
  public void processElement(K key, Context context, Collector<Tuple2<K, Long>> out) throws Exception {
    Long before = count.value();
    long after = before == null ? 1 : before + 1;
    count.update(after);
    counted.add(1);
    result.f0 = key;
    result.f1 = after;
    out.collect(result);
    last.record();
  }

  @Override
  public void close() {
    last.close();
  }
}
