/** Only in the module for several threads: see lib/part.ts. */
import { choose } from './lib/part';

/** Sets the part to compute. */
export function setPart(part: i32, parts: i32, phase: i32, room: usize): void {
  choose(part, parts, phase, room);
}
