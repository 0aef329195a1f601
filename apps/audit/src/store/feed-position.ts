import type { EntityManager } from 'typeorm';

/** How far the feed has gone: what goes out next, and where the last one stands in the stream AUDIT. */
export interface FeedPosition {
  readonly nextIndex: number;
  readonly streamSequence: number;
}

export async function readFeedPosition(manager: EntityManager): Promise<FeedPosition> {
  const [row] = await manager.query<{ next_index: string; stream_sequence: string }[]>(
    'SELECT next_index, stream_sequence FROM feed_position',
  );
  return { nextIndex: Number(row?.next_index ?? 0), streamSequence: Number(row?.stream_sequence ?? 0) };
}

/** Need not survive a crash: at a start the stream itself says how far the feed has gone. */
export async function saveFeedPosition(manager: EntityManager, position: FeedPosition): Promise<void> {
  await manager.query('UPDATE feed_position SET next_index = $1, stream_sequence = $2', [
    position.nextIndex,
    position.streamSequence,
  ]);
}
