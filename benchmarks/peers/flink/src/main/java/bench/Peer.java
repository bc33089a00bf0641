package bench;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Runs a workload on Flink inside this process: once to warm the JVM up, then {@code --rounds} times (once). Each
 * of these prints one line of JSON.
 *
 * <pre>java … bench.Peer --workload keyed-count --records 20000000 --keys 1000 --parallelism 2 --checkpoints DIRECTORY
 * java … bench.Peer --workload exchange --records 20000000 --keys 1000 --parallelism 2 --checkpoints DIRECTORY
 * java … bench.Peer --workload exchange-alone --records 20000000 --keys 1000 --parallelism 2 --checkpoints DIRECTORY
 * java … bench.Peer --workload word-count --input words.txt --parallelism 2 --checkpoints DIRECTORY</pre>
 */
public final class Peer {
  private Peer() {}

  public static void main(String[] args) throws Exception {
    Map<String, String> options = new HashMap<>();
    for (int index = 0; index + 1 < args.length; index += 2) options.put(args[index].substring(2), args[index + 1]);
    int parallelism = Integer.parseInt(options.getOrDefault("parallelism", "2"));
    int rounds = Integer.parseInt(options.getOrDefault("rounds", "1"));
    Path checkpoints = Path.of(options.get("checkpoints"));
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    for (int round = 0; round <= rounds; round++) {
      System.gc();
      Stopwatch.reset();
      StreamExecutionEnvironment environment =
          StreamExecutionEnvironment.getExecutionEnvironment(configuration(parallelism, checkpoints));
      if (options.get("workload").equals("word-count")) Workloads.wordCount(environment, options.get("input"));
      else {
        long records = Long.parseLong(options.get("records"));
        int keys = Integer.parseInt(options.get("keys"));
        if (options.get("workload").equals("exchange")) Workloads.exchange(environment, records, keys);
        else if (options.get("workload").equals("exchange-alone")) Workloads.exchangeAlone(environment, records, keys);
        else Workloads.keyedCount(environment, records, keys);
      }
      long cpuBefore = system.getProcessCpuTime();
      long counted = environment.execute().getAccumulatorResult(CountByKey.COUNTED);
      double cpuSeconds = (system.getProcessCpuTime() - cpuBefore) / 1e9;
      if (round > 0)
        System.out.printf(
            Locale.ROOT,
            "{\"records\":%d,\"seconds\":%.3f,\"cpuSeconds\":%.3f}%n",
            counted,
            Stopwatch.seconds(),
            cpuSeconds);
    }
  }

  private static Configuration configuration(int parallelism, Path checkpoints) {
    Map<String, String> settings = new HashMap<>();
    settings.put("parallelism.default", String.valueOf(parallelism));
    settings.put("taskmanager.numberOfTaskSlots", String.valueOf(parallelism));
    settings.put("pipeline.object-reuse", "true");
    settings.put("state.backend.type", "hashmap");
    settings.put("execution.checkpointing.interval", "1s");
    settings.put("execution.checkpointing.mode", "EXACTLY_ONCE");
    settings.put("execution.checkpointing.storage", "filesystem");
    settings.put("execution.checkpointing.dir", checkpoints.toUri().toString());
    settings.put("taskmanager.memory.network.min", "64m");
    settings.put("taskmanager.memory.network.max", "64m");
    return Configuration.fromMap(settings);
  }
}
