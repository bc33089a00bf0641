import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

/** Prints record batches as Kafka's own code writes them, beside what it was told to write, as JSON: one fixture per line. */
public final class RecordBatchFixtures {
  private record Entry(long offset, long timestamp, byte[] key, byte[] value, Header[] headers) {}

  public static void main(String[] arguments) {
    List<String> lines = new ArrayList<>();
    Compression[] compressions = {
      Compression.NONE, Compression.gzip().build(), Compression.snappy().build(), Compression.lz4().build(), Compression.zstd().build(),
    };
    for (Compression compression : compressions) {
      String name = compression.type().name;
      lines.add(fixture("few records, " + name, compression, 7, few(), TimestampType.CREATE_TIME, false));
      // More than a block of each compression holds.
      if (compression != Compression.NONE) lines.add(fixture("many records, " + name, compression, 1_000_000_000_000L, many(), TimestampType.CREATE_TIME, true));
    }
    lines.add(fixture("append time", Compression.NONE, 0, few(), TimestampType.LOG_APPEND_TIME, false));
    lines.add(fixture("compacted", Compression.NONE, 100, compacted(), TimestampType.CREATE_TIME, true));
    lines.add(fixture("compacted, lz4", Compression.lz4().build(), 100, compacted(), TimestampType.CREATE_TIME, true));
    lines.add(marker("commit marker", ControlRecordType.COMMIT));
    lines.add(marker("abort marker", ControlRecordType.ABORT));
    System.out.println("[\n" + String.join(",\n", lines) + "\n]");
  }

  private static List<Entry> few() {
    return List.of(
        new Entry(0, 1_700_000_000_000L, utf8("a key"), utf8("a value"), new Header[0]),
        new Entry(1, 1_700_000_000_005L, null, utf8("without a key"), new Header[0]),
        new Entry(2, 1_699_999_999_000L, utf8("a tombstone, earlier"), null, new Header[0]),
        new Entry(3, 1_700_000_100_000L, null, null, new Header[] {header("h", "v"), header("h", "again"), header("null", null)}),
        new Entry(4, 1_700_000_000_000L, new byte[0], new byte[0], new Header[] {header("", "")}),
        new Entry(5, 0L, utf8("ключ"), utf8("x".repeat(300)), new Header[] {header("größe", "y".repeat(200))}));
  }

  private static List<Entry> many() {
    List<Entry> entries = new ArrayList<>();
    for (int index = 0; index < 3000; index++) {
      String value = "{\"id\":" + index + ",\"customer\":\"customer " + (index * 7919L) % 1000 + "\",\"amount\":" + (index * 31) % 977 + "}";
      entries.add(new Entry(index, 1_700_000_000_000L + index, utf8("key " + index % 17), utf8(value), new Header[0]));
    }
    return entries;
  }

  /** What is left of ten records: the first and the last are gone, too. */
  private static List<Entry> compacted() {
    List<Entry> entries = new ArrayList<>();
    for (int offset : new int[] {2, 3, 7}) entries.add(new Entry(offset, 1_700_000_000_000L + offset, utf8("k" + offset), utf8("v"), new Header[0]));
    return entries;
  }

  private static String fixture(String name, Compression compression, long base, List<Entry> entries, TimestampType type, boolean isTransactional) {
    boolean isCompacted = name.startsWith("compacted");
    var builder = new MemoryRecordsBuilder(
        new ByteBufferOutputStream(1 << 20), RecordBatch.MAGIC_VALUE_V2, compression, type, base, 1_700_000_009_999L,
        isTransactional ? 4_611_686_018_427_387_905L : RecordBatch.NO_PRODUCER_ID, (short) (isTransactional ? 3 : -1), isTransactional ? 42 : -1,
        isTransactional, false, 5, 1 << 20);
    for (Entry entry : entries) builder.appendWithOffset(base + entry.offset(), entry.timestamp(), entry.key(), entry.value(), entry.headers());
    if (isCompacted) builder.overrideLastOffset(base + 9);
    MemoryRecords records = builder.build();
    RecordBatch batch = records.batches().iterator().next();
    var text = new StringBuilder();
    for (Entry entry : entries) {
      if (text.length() > 0) text.append(',');
      long timestamp = type == TimestampType.LOG_APPEND_TIME ? batch.maxTimestamp() : entry.timestamp();
      text.append('[').append(base + entry.offset()).append(',').append(timestamp).append(',').append(base64(entry.key())).append(',').append(base64(entry.value()));
      for (Header header : entry.headers()) text.append(',').append(base64(utf8(header.key()))).append(',').append(base64(header.value()));
      text.append(']');
    }
    // What many() made is too long to be held twice: the test makes it again.
    return line(name, batch, records.buffer(), name.startsWith("many") ? "null" : "[" + text + "]");
  }

  private static String marker(String name, ControlRecordType type) {
    MemoryRecords records = MemoryRecords.withEndTransactionMarker(55, 1_700_000_000_000L, 5, 77, (short) 2, new EndTransactionMarker(type, 0));
    return line(name, records.batches().iterator().next(), records.buffer(), "[]");
  }

  private static String line(String name, RecordBatch batch, ByteBuffer bytes, String records) {
    byte[] copy = new byte[bytes.remaining()];
    bytes.get(copy);
    return "{\"name\":\"" + name + "\",\"baseOffset\":" + batch.baseOffset() + ",\"lastOffset\":" + batch.lastOffset() + ",\"count\":" + batch.countOrNull()
        + ",\"producerId\":\"" + batch.producerId() + "\",\"producerEpoch\":" + batch.producerEpoch() + ",\"isTransactional\":" + batch.isTransactional()
        + ",\"maxTimestamp\":" + batch.maxTimestamp() + ",\"records\":" + records + ",\"bytes\":" + base64(copy) + "}";
  }

  private static Header header(String name, String value) {
    return new RecordHeader(name, value == null ? null : utf8(value));
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String base64(byte[] bytes) {
    return bytes == null ? "null" : "\"" + Base64.getEncoder().encodeToString(bytes) + "\"";
  }
}
