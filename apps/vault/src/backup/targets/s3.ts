import { Readable } from 'node:stream';
import { DeleteObjectCommand, GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { failure } from '@keymesh/contracts';
import { KeymeshError } from '@keymesh/kernel';
import { SUFFIX } from '../backup-name.js';
import { targetFailed, type BackupTarget } from './target.js';

export interface S3TargetOptions {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  readonly region: string | undefined;
  /** Another address than AWS. */
  readonly endpoint: string | undefined;
}

/** S3 limits an upload to 10,000 parts; with these a backup may be 156 GiB, and the process holds two at a time. */
const PART_BYTES = 16 * 2 ** 20;

/** S3-compatible storage. Credentials come from the SDK's own chain: environment, files, the machine's role. */
export function makeS3Target({ bucket, prefix, region, endpoint }: S3TargetOptions): BackupTarget {
  const client = new S3Client({
    ...(region === undefined ? {} : { region }),
    // Other servers than AWS rarely have a host name for each bucket.
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
  });
  const place = (name: string) => ({ Bucket: bucket, Key: `${prefix}${name}` });
  return {
    kind: 's3',
    async put(name, bytes) {
      const counted = { sizeBytes: 0 };
      let broken: Error | undefined;
      const counting = async function* (): AsyncGenerator<Uint8Array> {
        try {
          for await (const piece of bytes) {
            counted.sizeBytes += piece.length;
            yield piece;
          }
        } catch (error) {
          broken = error as Error;
          throw error;
        }
      };
      const upload = new Upload({
        client,
        params: { ...place(name), Body: Readable.from(counting(), { objectMode: false }) },
        partSize: PART_BYTES,
        queueSize: 2,
      });
      // What broke off leaves no object: the SDK takes the parts back.
      await upload.done().catch((error: unknown) => {
        throw broken ?? targetFailed(error);
      });
      return counted;
    },
    async get(name) {
      const reply = await client.send(new GetObjectCommand(place(name))).catch((error: unknown) => {
        throw (error as Error).name === 'NoSuchKey' ? failure('BACKUP_NOT_FOUND') : targetFailed(error);
      });
      return reading(reply.Body as Readable);
    },
    async list() {
      const found: { name: string; sizeBytes: number }[] = [];
      try {
        for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix })) {
          for (const { Key: key = '', Size: sizeBytes = 0 } of page.Contents ?? [])
            if (key.endsWith(SUFFIX)) found.push({ name: key.slice(prefix.length), sizeBytes });
        }
      } catch (error) {
        throw targetFailed(error);
      }
      return found;
    },
    async remove(name) {
      await client.send(new DeleteObjectCommand(place(name))).catch((error: unknown) => {
        throw targetFailed(error);
      });
    },
  };
}

/** A connection that breaks under way is the storage's failure, not the backup's. */
async function* reading(body: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw KeymeshError.is(error) ? error : targetFailed(error);
  }
}
