import { spawn } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { SayError } from './progress.mjs';

const KEEP_LINES = 30;

/**
 * Runs a command to its end without a shell and without a terminal.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void, timeoutMs?: number }} [options]
 * @returns {Promise<string>} its standard output.
 * @throws {SayError} with the last lines of what it printed.
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
    });
    const last = [];
    let stdout = '';
    const read = (text) => {
      for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
        last.push(line);
        if (last.length > KEEP_LINES) last.shift();
        options.onLine?.(line);
      }
    };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      read(text);
    });
    child.stderr.setEncoding('utf8').on('data', read);
    child.on('error', (error) => reject(new SayError(`${command} could not be run: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else
        reject(
          new SayError(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${last.join('\n')}`),
        );
    });
  });
}

/**
 * Looks a program up in PATH.
 * @param {string} name
 * @param {(path: string) => boolean} [accept] e.g. to leave out a folder.
 * @returns {string | undefined}
 */
export function which(name, accept = () => true) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (accept(path)) return path;
    } catch {
      // not here
    }
  }
  return undefined;
}

/** Whether `path` is inside `folder`, links followed. */
export function isInside(path, folder) {
  try {
    return realpathSync(path).startsWith(realpathSync(folder) + sep);
  } catch {
    return false;
  }
}
