import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import com.sun.management.OperatingSystemMXBean;

import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The job of the benchmark on Kafka Streams: count per key in a store with a changelog, and pass every record on.
 *
 * <p>One process serves a whole benchmark, so that its code is as warm as its rivals'. It takes commands, a line each,
 * answers each with a line, and ends with its standard input:
 *
 * <pre>
 *   start IN OUT KEY=VALUE...          runs the job with this configuration; answers when its state is restored
 *   stop                               ends the job and removes its local state
 *   heap                               bytes on the heap that are in use after a collection
 *   cpu                                processor time of this process, in nanoseconds
 * </pre>
 */
public final class CountJob {
    private static final String STORE = "count";
    private static KafkaStreams streams;

    public static void main(String[] args) throws Exception {
        var commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            System.out.println(answer(line.split(" ")));
        }
        System.exit(0); // the rest of a job under way goes with the process
    }

    private static String answer(String[] command) throws Exception {
        switch (command[0]) {
            case "start":
                return start(command);
            case "stop":
                streams.close(Duration.ofSeconds(10));
                streams.cleanUp();
                streams = null;
                return "stopped";
            case "heap":
                System.gc();
                System.gc();
                Runtime r = Runtime.getRuntime();
                return Long.toString(r.totalMemory() - r.freeMemory());
            case "cpu":
                return Long.toString(ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime());
            default:
                return "unknown command " + command[0];
        }
    }

    private static String start(String[] command) throws InterruptedException {
        var config = new Properties();
        for (int i = 3; i < command.length; i++) {
            int at = command[i].indexOf('=');
            config.put(command[i].substring(0, at), command[i].substring(at + 1));
        }
        var settled = new CountDownLatch(1);
        streams = new KafkaStreams(topology(command[1], command[2]), config);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING || now == KafkaStreams.State.ERROR) {
                settled.countDown();
            }
        });
        streams.start();
        settled.await(30, TimeUnit.SECONDS);
        return streams.state().name();
    }

    private static Topology topology(String in, String out) {
        var store = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.ByteArray(), Serdes.ByteArray());
        return new Topology()
            .addSource("in", new ByteArrayDeserializer(), new ByteArrayDeserializer(), in)
            .addProcessor("job", Count::new, "in")
            .addStateStore(store.withCachingEnabled(), "job")
            .addSink("out", out, new ByteArraySerializer(), new ByteArraySerializer(), "job");
    }

    private static final class Count implements Processor<byte[], byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> counts;

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.counts = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            byte[] before = counts.get(record.key());
            long count = before == null ? 0 : ByteBuffer.wrap(before).getLong();
            counts.put(record.key(), ByteBuffer.allocate(8).putLong(count + 1).array());
            context.forward(record);
        }
    }
}
