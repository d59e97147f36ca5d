/** Explains errors of browser storage in sentences. */
import { MemgradError } from '../errors.js';

const reasons: Record<string, string> = {
  NotFoundError: 'there is no such file',
  TypeMismatchError: 'a folder is in the way',
  QuotaExceededError: 'this page has no storage left; delete old runs, then go on',
  NoModificationAllowedError: 'another tab is writing to it; close that tab',
  SecurityError:
    'the browser stores no files for this page; open it over https, and not in a private window',
};

/** Runs `action`; turns an error of the browser into a `MemgradError` of one sentence. */
export async function explained<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof MemgradError || !(cause instanceof DOMException)) throw cause;
    throw new MemgradError(`Cannot ${what}: ${reasons[cause.name] ?? cause.message}.`, { cause });
  }
}
