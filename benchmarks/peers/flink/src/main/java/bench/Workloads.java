package bench;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.connector.file.src.reader.TextLineInputFormat;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/** The same work as the job files of Tidemark. */
final class Workloads {
  private Workloads() {}

  static void keyedCount(StreamExecutionEnvironment environment, long records, int keys) {
    NumberSequenceSource numbers = new NumberSequenceSource(0, records - 1);
    count(
        environment.fromSource(numbers, WatermarkStrategy.noWatermarks(), "numbers").map(new ToKey(keys)).returns(Types.INT),
        Types.INT);
  }

  static void exchange(StreamExecutionEnvironment environment, long records, int keys) {
    readingsByKey(environment, records, keys)
        .process(new SumByKey())
        .returns(Types.TUPLE(Types.STRING, Types.LONG))
        .sinkTo(new DiscardingSink<>());
  }

  /** Nothing is kept per key. */
  static void exchangeAlone(StreamExecutionEnvironment environment, long records, int keys) {
    readingsByKey(environment, records, keys)
        .process(new SumOfAll())
        .returns(Types.LONG)
        .sinkTo(new DiscardingSink<>());
  }

  private static KeyedStream<Tuple2<String, Long>, String> readingsByKey(
      StreamExecutionEnvironment environment, long records, int keys) {
    NumberSequenceSource numbers = new NumberSequenceSource(0, records - 1);
    return environment
        .fromSource(numbers, WatermarkStrategy.noWatermarks(), "numbers")
        .map(new ToReading(keys))
        .returns(Types.TUPLE(Types.STRING, Types.LONG))
        .keyBy(reading -> reading.f0, Types.STRING);
  }

  static void wordCount(StreamExecutionEnvironment environment, String input) {
    FileSource<String> lines = FileSource.forRecordStreamFormat(new TextLineInputFormat(), new Path(input)).build();
    count(
        environment
            .fromSource(lines, WatermarkStrategy.noWatermarks(), "lines")
            .flatMap(new ToWords())
            .returns(Types.STRING),
        Types.STRING);
  }

  private static <K> void count(DataStream<K> keys, TypeInformation<K> type) {
    keys.keyBy(key -> key, type)
        .process(new CountByKey<K>())
        .returns(Types.TUPLE(type, Types.LONG))
        .sinkTo(new DiscardingSink<>());
  }

  private static final class ToKey extends RichMapFunction<Long, Integer> {
    private final int keys;
    private transient boolean hasStarted;

    ToKey(int keys) {
      this.keys = keys;
    }

    @Override
    public void open(OpenContext context) {
      hasStarted = false;
    }

    @Override
    public Integer map(Long index) {
      if (!hasStarted) Stopwatch.first();
      hasStarted = true;
      return (int) (Integer.toUnsignedLong(index.intValue() * 0x9e3779b1) % keys);
    }
  }

  private static final class ToReading extends RichMapFunction<Long, Tuple2<String, Long>> {
    private final int keys;
    private transient boolean hasStarted;
    private transient String[] names;
    private transient Tuple2<String, Long> reading;

    ToReading(int keys) {
      this.keys = keys;
    }

    @Override
    public void open(OpenContext context) {
      hasStarted = false;
      reading = new Tuple2<>();
      names = new String[keys];
      for (int index = 0; index < keys; index++) names[index] = "key-" + index;
    }

    @Override
    public Tuple2<String, Long> map(Long index) {
      if (!hasStarted) Stopwatch.first();
      hasStarted = true;
      long random = Integer.toUnsignedLong(index.intValue() * 0x9e3779b1);
      reading.f0 = names[(int) (random % keys)];
      reading.f1 = random & 0xff;
      return reading;
    }
  }

  private static final class ToWords extends RichFlatMapFunction<String, String> {
    private transient boolean hasStarted;

    @Override
    public void open(OpenContext context) {
      hasStarted = false;
    }

    @Override
    public void flatMap(String line, Collector<String> words) {
      if (!hasStarted) Stopwatch.first();
      hasStarted = true;
      for (int from = 0; from < line.length(); ) {
        int space = line.indexOf(' ', from);
        int to = space < 0 ? line.length() : space;
        if (to > from) words.collect(line.substring(from, to));
        from = to + 1;
      }
    }
  }
}
