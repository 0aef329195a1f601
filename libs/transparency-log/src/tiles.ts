// SOURCE: C2SP tlog-tiles. Tiles are concatenated hashes of a tree's every eighth level, so a log is a set of plain files.

/** Levels of the tree in one tile. */
export const TILE_HEIGHT = 8;
/** Hashes in a full tile, and entries in a full bundle. */
export const TILE_WIDTH = 2 ** TILE_HEIGHT;
/** Level 7 of tiles already spans 2^64 leaves; sizes here are safe integers (below 2^53). */
export const MAX_TILE_LEVEL = 6;

/** A tile of a tree: `width` is how many of its hashes (1..256) that tree has. */
export interface TileCoordinate {
  /** 0 holds leaf hashes; each hash of level n+1 is the root of a full tile of level n. */
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** A file of the log: a tile of hashes, or a bundle of entries. */
export type TileResource =
  | ({ readonly kind: 'hashes' } & TileCoordinate)
  | { readonly kind: 'entries'; readonly index: number; readonly width: number };

/** How many hashes (0..256) tile `index` of `level` has in a tree of `size` leaves. */
export function tileWidth(size: number, level: number, index: number): number {
  const hashes = Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH;
  return Math.max(0, Math.min(TILE_WIDTH, hashes));
}

/** The path of a tile or bundle below the log's prefix: `tile/0/x001/x234/067.p/12`, `tile/entries/000`. */
export function tilePath(resource: TileResource): string {
  const kind = resource.kind === 'entries' ? 'entries' : String(resource.level);
  const partial = resource.width === TILE_WIDTH ? '' : `.p/${String(resource.width)}`;
  return `tile/${kind}/${indexPath(resource.index)}${partial}`;
}

/** @returns undefined unless the text is exactly the path that {@link tilePath} writes. Safe for attackers' input. */
export function parseTilePath(path: string): TileResource | undefined {
  const match = /^tile\/(entries|[0-6])\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (match === null) return undefined;
  const [, kind = '', digits = '', partial] = match;
  const index = Number(digits.replaceAll(/[x/]/g, ''));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  const resource: TileResource =
    kind === 'entries'
      ? { kind: 'entries', index, width }
      : { kind: 'hashes', level: Number(kind), index, width };
  // Writing it again refuses other spellings: leading zero groups, a "partial" tile of 256 or more, unsafe integers.
  return Number.isSafeInteger(index) && tilePath(resource) === path && width <= TILE_WIDTH
    ? resource
    : undefined;
}

function indexPath(index: number): string {
  const groups: string[] = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(String(rest % 1000).padStart(3, '0'));
  }
  return groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
}
