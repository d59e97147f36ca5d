/** A command that suggests one of its options for the names that other tools use. */
import { Command } from 'commander';
import { nearest } from '../options.js';

/** Names that other tools use and whose letters don't lead to ours. */
const synonyms = new Map<string, string>(
  Object.entries({
    lr: '--learning-rate', // also the letters of --layers
    epochs: '--steps',
    iterations: '--steps',
    iters: '--steps',
    'max-steps': '--steps',
    hidden: '--d-model',
    'hidden-size': '--d-model',
    'n-embd': '--d-model',
    'embed-dim': '--d-model',
    width: '--d-model',
    'ffn-dim': '--d-inner',
    'seq-len': '--segment-length',
    'block-size': '--segment-length',
    context: '--segment-length',
    l2: '--weight-decay',
    'grad-clip': '--clip',
    'max-grad-norm': '--clip',
    vocab: '--vocabulary',
    'vocab-size': '--vocabulary',
    tokenizer: '--tokens',
    file: '--text',
    input: '--text',
    corpus: '--text',
    data: '--text',
    gpu: '--backend',
    cuda: '--backend',
    device: '--backend',
    workers: '--threads',
    output: '--out',
    save: '--out',
    'save-dir': '--out',
    'output-dir': '--out',
    load: '--resume',
    checkpoint: '--from',
    dataset: '--task',
  }),
);

export class SuggestingCommand extends Command {
  override createCommand(name?: string): Command {
    return new SuggestingCommand(name);
  }

  /** Commander calls this, and by itself suggests names that are a few letters away. */
  unknownOption(flag: string): void {
    // Of Commander, where it is private: set by allowUnknownOption().
    const { _allowUnknownOption: allows } = this as unknown as { _allowUnknownOption: boolean };
    if (allows) return;
    const name = flag.replace(/^-+|=.*$/g, '');
    const options = this.createHelp().visibleOptions(this);
    const known = options.flatMap(({ long }) => long ?? []);
    const synonym = synonyms.get(name.replaceAll('_', '-').toLowerCase());
    const meant = synonym ? known.find((option) => option === synonym) : nearest(name, known);
    const suggestion = meant === undefined ? '' : ` (Did you mean ${meant}?)`;
    this.error(`error: unknown option '${flag}'${suggestion}`, { code: 'commander.unknownOption' });
  }
}
