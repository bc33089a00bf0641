import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Exit;

/** What the tests need of Kafka itself: a broker that does not outlive them, and Kafka's own consumer as the judge of what a topic holds. */
public final class KafkaTestTools {
  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "broker" -> broker(Long.parseLong(arguments[1]), Path.of(arguments[2]), List.of(arguments).subList(3, arguments.length));
      case "read" -> read(arguments[1], arguments[2], arguments[3]);
      case "export-keys" -> exportKeys(Path.of(arguments[1]), arguments[2].toCharArray());
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  /** Formats the store of `directory` where that has not happened, and runs the broker until it is stopped or its owner ends. */
  private static void broker(long owner, Path directory, List<String> formatArguments) throws Exception {
    var handle = ProcessHandle.of(owner);
    if (handle.isEmpty()) System.exit(3);
    handle.get().onExit().thenRun(() -> {
      deleteTree(directory);
      Runtime.getRuntime().halt(3);
    });
    String configuration = directory.resolve("server.properties").toString();
    if (!Files.exists(directory.resolve("store/meta.properties"))) {
      var command = new ArrayList<>(List.of("format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", configuration));
      command.addAll(formatArguments);
      int status = format(command.toArray(String[]::new));
      if (status != 0) System.exit(status);
    }
    kafka.Kafka.main(new String[] {configuration});
  }

  /** Old versions have only a main that exits. */
  private static int format(String[] command) {
    int[] status = {0};
    Exit.setExitProcedure((code, message) -> {
      status[0] = code;
      throw new Ended();
    });
    try {
      kafka.tools.StorageTool.main(command);
    } catch (Ended end) {
      // It has told its status.
    } finally {
      // That of the start of a process cannot be had back.
      Exit.setExitProcedure((code, message) -> System.exit(code));
    }
    return status[0];
  }

  private static final class Ended extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private static void deleteTree(Path directory) {
    try (var paths = Files.walk(directory)) {
      paths.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
    } catch (Exception ignored) {
      // The broker still writes: what is left is left.
    }
  }

  /** Prints every record from the start of the topic to its end as of now: partition, offset, timestamp, key, value and headers; bytes as base64, null as "-". */
  private static void read(String bootstrap, String topic, String isolation) throws Exception {
    Map<String, Object> settings = Map.of(
        "bootstrap.servers", bootstrap,
        "isolation.level", isolation,
        "enable.auto.commit", false,
        "auto.offset.reset", "earliest",
        "allow.auto.create.topics", false);
    try (var consumer = new KafkaConsumer<byte[], byte[]>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        var out = new PrintStream(System.out, false, StandardCharsets.US_ASCII)) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (var info : consumer.partitionsFor(topic)) partitions.add(new TopicPartition(topic, info.partition()));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      // With read_committed: the last stable offsets.
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      Set<TopicPartition> open = new HashSet<>(partitions);
      while (true) {
        open.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
        if (open.isEmpty()) return;
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          if (record.offset() < ends.get(new TopicPartition(topic, record.partition()))) print(out, record);
        }
      }
    }
  }

  private static void print(PrintStream out, ConsumerRecord<byte[], byte[]> record) {
    var line = new StringBuilder();
    line.append(record.partition()).append('\t').append(record.offset()).append('\t').append(record.timestamp());
    line.append('\t').append(text(record.key())).append('\t').append(text(record.value()));
    for (Header header : record.headers()) {
      line.append('\t').append(text(header.key().getBytes(StandardCharsets.UTF_8))).append('\t').append(text(header.value()));
    }
    out.append(line.append('\n'));
  }

  private static String text(byte[] bytes) {
    return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
  }

  /** keytool exports no private keys: writes `<alias>.key.pem` and `<alias>.pem` beside the key store. */
  private static void exportKeys(Path file, char[] password) throws Exception {
    var store = KeyStore.getInstance(file.toFile(), password);
    for (String alias : List.of("authority", "broker", "client")) {
      var key = store.getKey(alias, password).getEncoded();
      Files.writeString(file.resolveSibling(alias + ".key.pem"), pem("PRIVATE KEY", key));
      Files.writeString(file.resolveSibling(alias + ".pem"), pem("CERTIFICATE", store.getCertificate(alias).getEncoded()));
    }
  }

  private static String pem(String kind, byte[] bytes) {
    String body = Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII)).encodeToString(bytes);
    return "-----BEGIN " + kind + "-----\n" + body + "\n-----END " + kind + "-----\n";
  }
}
