import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.serialization.DoubleSerializer;
import org.apache.kafka.common.serialization.IntegerSerializer;
import org.apache.kafka.common.serialization.LongSerializer;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Prints what Kafka's own serializers make of values, as JSON: one per line. Values are texts, so that no precision is lost. */
public final class SerializerFixtures {
  private static final List<String> LINES = new ArrayList<>();

  public static void main(String[] arguments) {
    for (int value : new int[] {0, 1, -1, 123456789, Integer.MAX_VALUE, Integer.MIN_VALUE}) add("int32", new IntegerSerializer(), value, "" + value);
    for (long value : new long[] {0, 1, -1, 9007199254740993L, Long.MAX_VALUE, Long.MIN_VALUE}) add("int64", new LongSerializer(), value, "" + value);
    for (double value : new double[] {0, -0.0, 1.5, Math.PI, Double.MIN_VALUE, Double.MAX_VALUE, Double.NEGATIVE_INFINITY, Double.NaN}) add("double", new DoubleSerializer(), value, "" + value);
    for (String value : new String[] {"", "order", "größe 🌊"}) add("text", new StringSerializer(), value, value);
    System.out.println("[\n" + String.join(",\n", LINES) + "\n]");
  }

  private static <T> void add(String codec, Serializer<T> serializer, T value, String text) {
    String bytes = HexFormat.of().formatHex(serializer.serialize("topic", value));
    LINES.add("  { \"codec\": \"" + codec + "\", \"value\": \"" + text + "\", \"bytes\": \"" + bytes + "\" }");
  }
}
