/**
 * Errors of the file system, as Linux reports them, where a process reads or opens files. Permissions would not do: they do not bind root.
 * Loaded into a run's processes (NODE_OPTIONS=--import), it lets its workers' and engines' reads below SELM_STORE fail, every second one,
 * while there is a file READ_ERRORS, with the code that is in it; each is noted in READ_ERRORS.log.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Lets reads fail until the function that is returned is called.
 * @param codeFor the error of a path, if it has one
 */
export function failReads(codeFor) {
  const errorOf = (path, syscall) => {
    const code = typeof path === 'string' ? codeFor(path) : undefined;
    return code && Object.assign(new Error(`${code}: injected, ${syscall} '${path}'`), { code, path, syscall });
  };
  const originals = {
    sync: { openSync: fs.openSync, readFileSync: fs.readFileSync, statSync: fs.statSync, readdirSync: fs.readdirSync },
    asynchronous: { open: promises.open, readFile: promises.readFile, stat: promises.stat, readdir: promises.readdir },
    // Streams use it.
    callback: { open: fs.open },
    silent: { existsSync: fs.existsSync },
  };
  for (const [name, original] of Object.entries(originals.sync)) {
    fs[name] = (path, ...rest) => {
      const error = errorOf(path, name);
      if (error) throw error;
      return original(path, ...rest);
    };
  }
  for (const [name, original] of Object.entries(originals.asynchronous)) {
    promises[name] = async (path, ...rest) => {
      const error = errorOf(path, name);
      if (error) throw error;
      return original(path, ...rest);
    };
  }
  fs.open = (path, ...rest) => {
    const error = errorOf(path, 'open');
    if (error) process.nextTick(rest.at(-1), error);
    else originals.callback.open(path, ...rest);
  };
  fs.existsSync = (path) => !errorOf(path, 'access') && originals.silent.existsSync(path);
  syncBuiltinESMExports();
  return () => {
    Object.assign(fs, originals.sync, originals.callback, originals.silent);
    Object.assign(promises, originals.asynchronous);
    syncBuiltinESMExports();
  };
}

const { READ_ERRORS: control, SELM_STORE: store } = process.env;
if (control && store && /(workers\/main|engine\/(onnx|torch)\/main)\.[jt]s$/.test(process.argv[1] ?? '')) {
  const { readFileSync, appendFileSync } = fs;
  let count = 1;
  failReads((path) => {
    if (!path.startsWith(`${store}/`)) return undefined;
    let code;
    try {
      code = readFileSync(control, 'utf8');
    } catch {
      return undefined;
    }
    // Every second one, so that errors are met wherever files are read, and not only at the first place.
    if (count++ % 2 === 1) return undefined;
    appendFileSync(`${control}.log`, `${code} ${path}\n`);
    return code;
  });
}
