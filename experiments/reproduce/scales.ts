/** The scales of experiments: minutes on two slow cores, an hour, or the paper's sizes. */

export const scales = ['small', 'medium', 'paper'] as const;
export type Scale = (typeof scales)[number];

/** The sizes of a model. */
export interface ModelSizes {
  readonly layers: number;
  readonly heads: number;
  readonly dModel: number;
  readonly dHead: number;
  readonly dInner: number;
}

/** The sizes of our own scales. */
export const ownSizes = {
  small: { layers: 2, heads: 4, dModel: 64, dHead: 32, dInner: 128 },
  medium: { layers: 4, heads: 4, dModel: 128, dHead: 32, dInner: 256 },
} satisfies Record<Exclude<Scale, 'paper'>, ModelSizes>;

/** The seeds of a cell whose spread is shown. */
export const SEEDS: readonly number[] = [0, 1, 2];
