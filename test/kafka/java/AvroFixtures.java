import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * Prints what Apache Avro's own library makes of values: for each a schema, the value as Avro's JSON, its bytes, and where there is a second schema, the value that is read into it.
 */
public final class AvroFixtures {
  private static final List<String> LINES = new ArrayList<>();

  public static void main(String[] arguments) throws Exception {
    for (String value : new String[] {"0", "-1", "64", "2147483648", "4503599627370496", "-4503599627370497", "9007199254740991", "-9007199254740993", "9223372036854775807", "-9223372036854775808"}) {
      add("\"long\"", value, "\"long\"");
      add("\"long\"", value, "\"double\"");
    }
    add("\"int\"", "-2147483648", "\"long\"");
    add("\"double\"", "-0.1", null);
    add("\"float\"", "1.5", "\"double\"");
    add("\"boolean\"", "true", null);
    add("\"string\"", "\"größe 🌊\"", null);
    add("{\"type\":\"array\",\"items\":[\"null\",\"string\"]}", "[null,{\"string\":\"a\"}]", null);
    add("{\"type\":\"map\",\"values\":\"int\"}", "{\"a\":1}", null);
    add("{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}", "\"\\u00ff\\u007f\"", null);
    String order = "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[{\"name\":\"id\",\"type\":\"long\"},{\"name\":\"shop\",\"type\":\"string\"},"
        + "{\"name\":\"kind\",\"type\":{\"type\":\"enum\",\"name\":\"Kind\",\"symbols\":[\"A\",\"B\"]}},{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null},"
        + "{\"name\":\"at\",\"type\":{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}}]}";
    String newer = "{\"type\":\"record\",\"name\":\"Order\",\"namespace\":\"shop\",\"fields\":[{\"name\":\"more\",\"type\":\"int\",\"default\":5},{\"name\":\"store\",\"aliases\":[\"shop\"],\"type\":\"string\"},"
        + "{\"name\":\"id\",\"type\":\"double\"},{\"name\":\"note\",\"type\":[\"null\",\"string\"],\"default\":null}]}";
    add(order, "{\"id\":-4503599627370497,\"shop\":\"sea\",\"kind\":\"B\",\"note\":{\"string\":\"x\"},\"at\":1700000000123}", newer);
    add(order, "{\"id\":1,\"shop\":\"\",\"kind\":\"A\",\"note\":null,\"at\":-1}", null);
    System.out.println("[\n" + String.join(",\n", LINES) + "\n]");
  }

  private static void add(String written, String value, String read) throws Exception {
    Schema writer = new Schema.Parser().parse(written);
    Object datum = new GenericDatumReader<>(writer).read(null, DecoderFactory.get().jsonDecoder(writer, value));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<>(writer).write(datum, encoder);
    encoder.flush();
    String line = "  { \"schema\": " + written + ", \"json\": " + quoted(value) + ", \"bytes\": \"" + HexFormat.of().formatHex(out.toByteArray()) + "\"";
    if (read != null) {
      Schema reader = new Schema.Parser().parse(read);
      Object resolved = new GenericDatumReader<>(writer, reader).read(null, DecoderFactory.get().binaryDecoder(new ByteArrayInputStream(out.toByteArray()), null));
      ByteArrayOutputStream json = new ByteArrayOutputStream();
      var jsonEncoder = EncoderFactory.get().jsonEncoder(reader, json);
      new GenericDatumWriter<>(reader).write(resolved, jsonEncoder);
      jsonEncoder.flush();
      line += ", \"reader\": " + read + ", \"read\": " + quoted(json.toString("UTF-8"));
    }
    LINES.add(line + " }");
  }

  private static String quoted(String text) {
    return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\"";
  }
}
