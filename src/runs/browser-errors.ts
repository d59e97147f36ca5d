/** What browsers refuse to store, in sentences. */
import { MemgradError } from '../errors.js';

const reasons: Record<string, string> = {
  NotFoundError: 'there is no such file',
  TypeMismatchError: 'a folder is in the way',
  QuotaExceededError: 'the browser gives this page no more room; delete old runs, then go on',
  NoModificationAllowedError: 'another tab is writing it; close that tab',
  SecurityError:
    'the browser keeps no files for this page; open it over https, and not in a private window',
};

/** Runs `action`; what the browser refuses becomes one sentence. */
export async function explained<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof MemgradError || !(cause instanceof DOMException)) throw cause;
    throw new MemgradError(`Cannot ${what}: ${reasons[cause.name] ?? cause.message}.`, { cause });
  }
}
