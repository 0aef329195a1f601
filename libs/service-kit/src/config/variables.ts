import { readFileSync } from 'node:fs';
import { Secret, fromBase64Url } from '@keymesh/kernel';
import { z } from 'zod';

// Building blocks for variables. Their messages state rules and never repeat what was given.

const readable = (path: string, context: z.core.$RefinementCtx): Buffer | undefined => {
  try {
    return readFileSync(path);
  } catch {
    context.issues.push({ code: 'custom', input: undefined, message: 'must name a file that can be read' });
    return undefined;
  }
};

/** A text file's content without surrounding white space. The bytes that were read are zeroed. */
const trimmed = (bytes: Buffer): Uint8Array => {
  let end = bytes.length;
  let start = 0;
  const isSpace = (byte: number | undefined) =>
    byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
  while (end > 0 && isSpace(bytes[end - 1])) end--;
  while (start < end && isSpace(bytes[start])) start++;
  const copy = new Uint8Array(bytes.subarray(start, end));
  bytes.fill(0);
  return copy;
};

/** `*_FILE`: a text (a password, an nkey seed) in a file, read at once. Surrounding white space is not part of it. */
export const secretFile = <Label extends string>(label: Label) =>
  z.string().transform((path, context): Secret<Label> => {
    const bytes = readable(path, context);
    if (bytes === undefined) return z.NEVER;
    const text = trimmed(bytes);
    if (text.length === 0) {
      context.issues.push({
        code: 'custom',
        input: undefined,
        message: 'must name a file that is not empty',
      });
      return z.NEVER;
    }
    return new Secret(text, label);
  });

/** `*_FILE`: binary key material, written as unpadded base64url, decoded at once. */
export const secretKeyFile = <Label extends string>(label: Label, sizeBytes: number) =>
  secretFile(label).transform((text, context): Secret<Label> => {
    // EXPOSE: base64url is decoded into a second Secret; the text's bytes are zeroed right after.
    const bytes = fromBase64Url(Buffer.from(text.expose()).toString('latin1'));
    text.dispose();
    if (bytes?.length !== sizeBytes) {
      const message = `must name a file with ${sizeBytes} bytes in unpadded base64url`;
      context.issues.push({ code: 'custom', input: undefined, message });
      return z.NEVER;
    }
    return new Secret(bytes, label);
  });

/** `*_FILE`: a public JSON document of the given schema. */
export const jsonFile = <Schema extends z.ZodType>(schema: Schema, what: string) =>
  z.string().transform((path, context): z.output<Schema> => {
    const bytes = readable(path, context);
    if (bytes === undefined) return z.NEVER;
    const result = schema.safeParse(parseJson(bytes.toString('utf8')));
    if (result.success) return result.data;
    context.issues.push({ code: 'custom', input: undefined, message: `must name a file that holds ${what}` });
    return z.NEVER;
  });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the schema then refuses it
  }
}

/** `true` or `false`, as a boolean. */
export const booleanVariable = z.enum(['true', 'false']).transform((text) => text === 'true');

/** A whole number within bounds. */
export const integerVariable = (minimum: number, maximum: number) =>
  z.string().transform((text, context) => {
    const value = Number(text);
    if (/^\d{1,12}$/.test(text) && value >= minimum && value <= maximum) return value;
    const message = `must be a whole number from ${minimum} to ${maximum}`;
    context.issues.push({ code: 'custom', input: undefined, message });
    return z.NEVER;
  });

/** A URL of one of the given protocols (`nats:`), without a password in it. */
export const urlVariable = (...protocols: readonly string[]) =>
  z.string().refine(
    (text) => {
      const url = URL.parse(text);
      return url !== null && protocols.includes(url.protocol) && url.password === '';
    },
    {
      error: `must be a URL that starts with ${protocols.map((name) => `${name}//`).join(' or ')} and holds no password`,
    },
  );
