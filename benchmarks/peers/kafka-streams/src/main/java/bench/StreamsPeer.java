package bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Counts the records of a topic by key, Kafka to Kafka, with Kafka Streams and exactly_once_v2, a commit each second unless told otherwise (the default of Kafka Streams is 100 ms), state in RocksDB, its default, or in memory, with its changelog. Prints one line of
 * JSON when it has counted so many records; tells the first one in any case.
 *
 * <pre>java … bench.StreamsPeer --bootstrap host:port --input in --output out --application id --records 2000000 --state DIRECTORY --store memory</pre>
 */
public final class StreamsPeer {
  private StreamsPeer() {}

  public static void main(String[] args) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (int index = 0; index + 1 < args.length; index += 2) options.put(args[index].substring(2), args[index + 1]);
    long records = Long.parseLong(options.get("records"));
    AtomicLong counted = new AtomicLong();
    AtomicLong firstAt = new AtomicLong();
    CountDownLatch done = new CountDownLatch(1);

    StreamsBuilder builder = new StreamsBuilder();
    Materialized<String, Long, KeyValueStore<Bytes, byte[]>> counts =
        Materialized.<String, Long>as(
                options.getOrDefault("store", "rocksdb").equals("memory")
                    ? Stores.inMemoryKeyValueStore("counts")
                    : Stores.persistentKeyValueStore("counts"))
            .withKeySerde(Serdes.String())
            .withValueSerde(Serdes.Long())
            .withCachingDisabled();
    builder.stream(options.get("input"), Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
        .count(counts)
        .toStream()
        .peek(
            (key, count) -> {
              if (firstAt.get() == 0 && firstAt.compareAndSet(0, System.nanoTime())) {
                System.out.println("{\"first\":" + System.currentTimeMillis() + "}");
              }
              if (counted.incrementAndGet() == records) done.countDown();
            })
        .mapValues(count -> Long.toString(count))
        .to(options.get("output"), Produced.with(Serdes.String(), Serdes.String()));

    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    try (KafkaStreams streams = new KafkaStreams(builder.build(), configuration(options))) {
      streams.start();
      done.await();
      double seconds = (System.nanoTime() - firstAt.get()) / 1e9;
      double cpuSeconds = system.getProcessCpuTime() / 1e9;
      System.out.printf(
          Locale.ROOT,
          "{\"records\":%d,\"seconds\":%.3f,\"cpuSeconds\":%.3f}%n",
          counted.get(),
          seconds,
          cpuSeconds);
      streams.close(Duration.ofSeconds(20));
    }
  }

  private static Properties configuration(Map<String, String> options) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", options.get("bootstrap"));
    settings.put("application.id", options.get("application"));
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("commit.interval.ms", options.getOrDefault("commit-interval", "1000"));
    settings.put("num.stream.threads", options.getOrDefault("threads", "2"));
    settings.put("state.dir", Path.of(options.get("state")).toString());
    settings.put("auto.offset.reset", "earliest");
    settings.put("replication.factor", "1");
    settings.put("statestore.cache.max.bytes", "0");
    return settings;
  }
}
