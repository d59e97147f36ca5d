/** Times each kernel on the GPU, by its own timestamps. */
import { deviceOn, useDawn } from './dawn.mjs';

/** The features of Dawn that let a device take timestamps, exact to the nanosecond. */
const toggles = [
  'enable-dawn-features=allow_unsafe_apis',
  'disable-dawn-features=timestamp_quantization',
];
/** A query set holds 4,096 timestamps, two to a kernel. */
const MOST = 2048;
/** Values of GPUBufferUsage and GPUMapMode. */
const usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, QUERY_RESOLVE: 512 };
const MAP_READ = 1;

/**
 * Returns a device, and a function `timed(f)` that resolves to the kernels that `f` ran in its last
 * submission: `{ key, groups, ms }` each, in order. Their launches wait for each other, which they
 * otherwise do only where one needs the result of another. Throws where the adapter has no timestamps.
 */
export async function timingDevice(options) {
  const gpu = useDawn(merged([...options, ...toggles]));
  const device = await deviceOn(gpu, ['timestamp-query']);
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 * MOST });
  const [resolved, read] = [
    usage.QUERY_RESOLVE | usage.COPY_SRC,
    usage.COPY_DST | usage.MAP_READ,
  ].map((usage) => device.createBuffer({ size: 16 * MOST, usage }));
  let kernels;

  const createEncoder = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = () => {
    const encoder = createEncoder();
    if (!kernels) return encoder;
    kernels = [];
    return {
      beginComputePass: () => timedPass(encoder, querySet, kernels),
      copyBufferToBuffer: (...args) => encoder.copyBufferToBuffer(...args),
      finish() {
        encoder.resolveQuerySet(querySet, 0, 2 * kernels.length, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, read, 0, 16 * kernels.length);
        return encoder.finish();
      },
    };
  };

  const timed = async (f) => {
    kernels = [];
    await f();
    const ran = kernels;
    kernels = undefined;
    await read.mapAsync(MAP_READ);
    const times = new BigInt64Array(read.getMappedRange().slice(0));
    read.unmap();
    return ran.map((kernel, i) => ({
      ...kernel,
      ms: Number(times[2 * i + 1] - times[2 * i]) / 1e6,
    }));
  };
  return { device, timed };
}

/** A pass for each launch, between two timestamps. */
function timedPass(encoder, querySet, kernels) {
  let pipeline;
  let group;
  return {
    setPipeline: (next) => {
      pipeline = next;
    },
    setBindGroup: (...args) => {
      group = args;
    },
    dispatchWorkgroups(...groups) {
      if (kernels.length === MOST) throw new Error(`gpu: a step of more than ${MOST} launches.`);
      const at = 2 * kernels.length;
      kernels.push({ key: pipeline.label, groups: groups.join(' x ').replace(/( x 1)+$/, '') });
      const timestampWrites = {
        querySet,
        beginningOfPassWriteIndex: at,
        endOfPassWriteIndex: at + 1,
      };
      const pass = encoder.beginComputePass({ timestampWrites });
      pass.setPipeline(pipeline);
      pass.setBindGroup(...group);
      pass.dispatchWorkgroups(...groups);
      pass.end();
    },
    end() {},
  };
}

/** Dawn takes one list of features to enable and one to disable. */
function merged(options) {
  const lists = new Map();
  for (const option of options) {
    const [name, features] = option.split('=');
    lists.set(name, [...(lists.get(name) ?? []), features]);
  }
  return [...lists].map(([name, features]) => `${name}=${features}`);
}
