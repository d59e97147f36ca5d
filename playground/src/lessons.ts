/** Prepared lessons: a text to read beside the controls, and the settings that go with it. */
import type { State } from './state.js';

export interface Lesson {
  /** Names it in the address, `?lesson=id`. */
  readonly id: string;
  readonly title: string;
  /** Paragraphs; what to do comes as it is to be done. */
  readonly text: readonly string[];
  readonly state: Partial<State>;
}

export const lessons: readonly Lesson[] = [];
