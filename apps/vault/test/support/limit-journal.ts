import type { TestMesh } from '@keymesh/testing';

/** Lets JOURNAL refuse every message, as a full stream does, while the rest of the bus goes on. */
export async function limitJournal(
  mesh: TestMesh,
): Promise<{ refuse(): Promise<void>; accept(): Promise<void> }> {
  const { nats } = await mesh.connectAs('deploy');
  const ask = async (subject: string, content: object): Promise<{ config: object; error?: unknown }> => {
    const reply = (await nats.request(subject, JSON.stringify(content))).json<{
      config: object;
      error?: unknown;
    }>();
    if (reply.error !== undefined) throw new Error(JSON.stringify(reply.error));
    return reply;
  };
  const limit = async (max_msgs: number): Promise<void> => {
    const { config } = await ask('$JS.API.STREAM.INFO.JOURNAL', {});
    await ask('$JS.API.STREAM.UPDATE.JOURNAL', { ...config, max_msgs });
  };
  return { refuse: () => limit(1), accept: () => limit(-1) };
}
