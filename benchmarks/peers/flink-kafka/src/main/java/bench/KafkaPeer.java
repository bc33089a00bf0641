package bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Counts the records of a topic by key, Kafka to Kafka, exactly once with a checkpoint each second, until the end of the topic as of now: once to warm the JVM up, then once more, which prints one line of
 * JSON.
 *
 * <pre>java … bench.KafkaPeer --bootstrap host:port --input in --output out --parallelism 2 --checkpoints DIRECTORY</pre>
 */
public final class KafkaPeer {
  private static final AtomicLong FIRST = new AtomicLong();
  private static final AtomicLong LAST = new AtomicLong();

  private KafkaPeer() {}

  public static void main(String[] args) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (int index = 0; index + 1 < args.length; index += 2) options.put(args[index].substring(2), args[index + 1]);
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    for (int round = 0; round <= 1; round++) {
      System.gc();
      FIRST.set(Long.MAX_VALUE);
      LAST.set(Long.MIN_VALUE);
      StreamExecutionEnvironment environment =
          StreamExecutionEnvironment.getExecutionEnvironment(configuration(options));
      build(environment, options, "round-" + System.nanoTime());
      long cpuBefore = system.getProcessCpuTime();
      long counted = environment.execute().getAccumulatorResult("counted");
      double cpuSeconds = (system.getProcessCpuTime() - cpuBefore) / 1e9;
      if (round > 0)
        System.out.printf(
            Locale.ROOT,
            "{\"records\":%d,\"seconds\":%.3f,\"cpuSeconds\":%.3f}%n",
            counted,
            (LAST.get() - FIRST.get()) / 1e9,
            cpuSeconds);
    }
  }

  private static void build(StreamExecutionEnvironment environment, Map<String, String> options, String transactions) {
    KafkaSource<String> source =
        KafkaSource.<String>builder()
            .setBootstrapServers(options.get("bootstrap"))
            .setTopics(options.get("input"))
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setBounded(OffsetsInitializer.latest())
            .setDeserializer(new KeyOnly())
            .build();
    String topic = options.get("output");
    KafkaSink<Tuple2<String, Long>> sink =
        KafkaSink.<Tuple2<String, Long>>builder()
            .setBootstrapServers(options.get("bootstrap"))
            .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
            .setTransactionalIdPrefix(transactions)
            .setProperty("transaction.timeout.ms", "600000")
            .setRecordSerializer(new ToRecord(topic))
            .build();
    environment
        .fromSource(source, WatermarkStrategy.noWatermarks(), "input")
        .keyBy(key -> key, Types.STRING)
        .process(new Count())
        .returns(Types.TUPLE(Types.STRING, Types.LONG))
        .sinkTo(sink);
  }

  private static Configuration configuration(Map<String, String> options) {
    String parallelism = options.getOrDefault("parallelism", "2");
    Map<String, String> settings = new HashMap<>();
    settings.put("parallelism.default", parallelism);
    settings.put("taskmanager.numberOfTaskSlots", parallelism);
    settings.put("pipeline.object-reuse", "true");
    settings.put("state.backend.type", "hashmap");
    settings.put("execution.checkpointing.interval", "1s");
    settings.put("execution.checkpointing.mode", "EXACTLY_ONCE");
    settings.put("execution.checkpointing.storage", "filesystem");
    settings.put("execution.checkpointing.dir", Path.of(options.get("checkpoints")).toUri().toString());
    return Configuration.fromMap(settings);
  }

  private static final class KeyOnly implements KafkaRecordDeserializationSchema<String> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<String> out) {
      FIRST.accumulateAndGet(System.nanoTime(), Math::min);
      out.collect(new String(record.key(), StandardCharsets.UTF_8));
    }

    @Override
    public TypeInformation<String> getProducedType() {
      return Types.STRING;
    }
  }

  private static final class ToRecord implements KafkaRecordSerializationSchema<Tuple2<String, Long>> {
    private final String topic;

    ToRecord(String topic) {
      this.topic = topic;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(Tuple2<String, Long> count, KafkaSinkContext context, Long timestamp) {
      return new ProducerRecord<>(
          topic,
          count.f0.getBytes(StandardCharsets.UTF_8),
          count.f1.toString().getBytes(StandardCharsets.UTF_8));
    }
  }

  private static final class Count extends KeyedProcessFunction<String, String, Tuple2<String, Long>> {
    private transient ValueState<Long> count;
    private transient LongCounter counted;

    @Override
    public void open(OpenContext context) {
      count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
      counted = getRuntimeContext().getLongCounter("counted");
    }

    @Override
    public void processElement(String key, Context context, Collector<Tuple2<String, Long>> out) throws Exception {
      Long before = count.value();
      long after = before == null ? 1 : before + 1;
      count.update(after);
      counted.add(1);
      out.collect(Tuple2.of(key, after));
    }

    @Override
    public void close() {
      LAST.accumulateAndGet(System.nanoTime(), Math::max);
    }
  }
}
