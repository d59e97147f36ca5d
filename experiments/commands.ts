/** The commands that a checkout adds to `memgrad`, in the order of its help. */
import { addParity } from './parity/command.js';
import { addReproduce } from './reproduce/command.js';

export const commands = [addParity, addReproduce];
