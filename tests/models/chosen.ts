/** Configurations drawn at random, for tests that hold models against the oracle. */
import fc from 'fast-check';
import { add, Key, mul, normal, scope } from '../../src/autograd/index.js';
import {
  createModel,
  type ModelName,
  presets,
  type SegmentModel,
  saveReference,
} from '../../src/models/index.js';
import type { OracleConfig, Rows, Weights } from './oracle.js';

export interface Chosen extends OracleConfig {
  segments: number[];
  seed: number;
}

export const chosen: fc.Arbitrary<Chosen> = fc
  .record({
    nLayer: fc.integer({ min: 1, max: 2 }),
    nHead: fc.integer({ min: 1, max: 2 }),
    dModel: fc.constantFrom(4, 6),
    dHead: fc.integer({ min: 1, max: 3 }),
    preNorm: fc.boolean(),
    absolute: fc.boolean(),
    memLen: fc.integer({ min: 0, max: 9 }),
    numMemTokens: fc.integer({ min: 0, max: 4 }),
    memAtEnd: fc.boolean(),
    readMemFromCache: fc.boolean(),
    sameLength: fc.boolean(),
    clampLen: fc.integer({ min: -1, max: 8 }),
    segments: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
    seed: fc.nat(1000),
  })
  .map((config) => ({ ...config, sameLength: config.sameLength && config.memLen > 0 }));

export const VOCABULARY = 5;

export function modelOf(config: Chosen): SegmentModel {
  const { memLen, numMemTokens, clampLen } = config;
  const names: [ModelName, ModelName] =
    memLen > 0 ? ['transformer-xl', 'transformer-xl-rmt'] : ['transformer', 'rmt'];
  const model = createModel(names[numMemTokens > 0 ? 1 : 0], {
    ...presets.paper,
    dropout: 0,
    dtype: 'float64',
    nToken: VOCABULARY,
    nLayer: config.nLayer,
    nHead: config.nHead,
    dModel: config.dModel,
    dHead: config.dHead,
    dInner: 5,
    norm: config.preNorm ? 'pre' : 'post',
    positions: config.absolute ? 'absolute' : 'relative-wrapped',
    memLen: memLen || 1,
    numMemTokens: numMemTokens || 1,
    memAtEnd: config.memAtEnd,
    readMemFromCache: config.readMemFromCache,
    sameLength: config.sameLength,
    clampLen: clampLen > 0 ? clampLen : undefined,
  });
  enlarge(model, Key.of(config.seed));
  return model;
}

/** Parameters of a size at which a wrong term shows. */
function enlarge(model: SegmentModel, key: Key): void {
  Object.values(model.parameters()).forEach((parameter, i) => {
    scope(() => {
      const noise = normal(key.fold(i), parameter.shape, { dtype: 'float64' });
      parameter.assign(add(parameter, mul(noise, 0.5)));
    });
  });
}

export async function weightsOf(model: SegmentModel): Promise<Weights> {
  const rows = ({ shape, data }: { shape: readonly number[]; data: ArrayLike<number> }): Rows => {
    const width = shape[shape.length - 1];
    const values = Array.from(data);
    return Array.from({ length: values.length / width }, (_, i) =>
      values.slice(i * width, (i + 1) * width),
    );
  };
  const arrays = Object.entries(await saveReference(model));
  return Object.fromEntries(arrays.map(([name, array]) => [name, rows(array)]));
}
