package bench;

import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Each record's key with the sum of the values that came with it. */
final class SumByKey extends KeyedProcessFunction<String, Tuple2<String, Long>, Tuple2<String, Long>> {
  private transient ValueState<Long> sum;
  private transient LongCounter counted;
  private transient Tuple2<String, Long> result;
  private transient LastRecord last;

  @Override
  public void open(OpenContext context) {
    sum = getRuntimeContext().getState(new ValueStateDescriptor<>("sum", Types.LONG));
    counted = getRuntimeContext().getLongCounter(CountByKey.COUNTED);
    result = new Tuple2<>();
    last = new LastRecord();
  }

  @Override
  public void processElement(Tuple2<String, Long> record, Context context, Collector<Tuple2<String, Long>> out)
      throws Exception {
    Long before = sum.value();
    long after = before == null ? record.f1 : before + record.f1;
    sum.update(after);
    counted.add(1);
    result.f0 = record.f0;
    result.f1 = after;
    out.collect(result);
    last.record();
  }

  @Override
  public void close() {
    last.close();
  }
}
