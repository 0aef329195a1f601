import { rename, rm, writeFile } from 'node:fs/promises';

/** Tells whoever waits (the launcher) that the service is ready and where its HTTP port is. */
export interface ReadyFile {
  readonly pid: number;
  readonly httpPort: number;
}

/** Writes the file so that a reader sees all of it or none. Mode 0600. */
export async function writeReadyFile(path: string, content: ReadyFile): Promise<void> {
  const temporary = `${path}.${content.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  await rename(temporary, path);
}

/** Takes the file away; it may be gone already. */
export const removeReadyFile = (path: string): Promise<void> => rm(path, { force: true });
