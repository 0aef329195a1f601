import type { JwtAlgorithm, PartFormat, RotationAdapter } from '@keymesh/contracts';
import type { Values } from '../parts.js';
import type { CredentialPolicyLayer, Rule } from '../quality/credential-policy.js';

/** One part of a type's values. */
export interface PartSchema {
  /** `[a-z][a-z0-9_]{0,31}`. */
  readonly name: string;
  /** What it is, in a few words, for whoever is asked for it. */
  readonly summary: string;
  readonly secret: boolean;
  readonly required: boolean;
  readonly maxBytes: number;
  readonly format: PartFormat;
  /** Further than its format; answers with the rule that is broken, e.g. "is 40 characters". Never repeats the value. */
  readonly check?: (bytes: Uint8Array) => string | undefined;
  /**
   * Who chose it, for the strength rules: `chosen` by a person (guessed by dictionaries), `issued` by a machine (measured by entropy).
   * Absent: its strength is not judged, or {@link Inspection.securityBits} says it.
   */
  readonly strength?: 'chosen' | 'issued';
}

/** What reading a value as a whole found out. */
export interface Inspection {
  /** Names of the type's own {@link CredentialTypePlugin.rules} that it breaks. */
  readonly broken?: readonly string[];
  /** Security of a key by its algorithm and size, in bits (NIST SP 800-57 part 1, table 2). */
  readonly securityBits?: number;
  /** When the value itself ends, milliseconds since the epoch. */
  readonly expiresAtMs?: number;
  /** What may be said of it in public: names in a certificate, an account's e-mail address. Never of a secret part. */
  readonly facts?: Readonly<Record<string, string>>;
}

export interface GenerateOptions {
  /** Of texts; keys have the length of their algorithm. */
  readonly lengthChars: number;
  /** Of signing keys. */
  readonly algorithm?: JwtAlgorithm | undefined;
  /** The value that is replaced, so that the new one is of the same kind. */
  readonly before?: Values | undefined;
}

/** A credential type: one file that says which parts a value has, what they must be, how one is generated and when it ends. */
export interface CredentialTypePlugin {
  readonly type: string;
  /** One sentence for the reference and `keymesh type list`. */
  readonly summary: string;
  readonly parts: readonly PartSchema[];
  /** The part that a person means by "the value". */
  readonly primaryPart: string;
  /** How this type differs from the general credential policy. */
  readonly policy?: CredentialPolicyLayer;
  /** Rules of its own that {@link inspect} may find broken. */
  readonly rules?: readonly Rule[];
  /**
   * Reads the value as a whole, after every part was found to be of its format.
   * @throws CREDENTIAL_VALUES_INVALID by {@link file://./check-values.ts} `invalidPart`; nothing of the value is repeated.
   */
  readonly inspect?: (values: Values, nowMs: number) => Inspection;
  /** Whether {@link inspect} reads when the value ends. */
  readonly readsExpiry?: boolean;
  /** The parts that `generate` makes; absent where only the provider can issue one. */
  readonly generates?: readonly string[];
  /** Makes {@link generates}: random, satisfying this type's own rules. The caller disposes them. */
  readonly generate?: (options: GenerateOptions) => Values | Promise<Values>;
  /** Compressed before encryption: only where the parts are long texts of which nothing is anybody else's choice. */
  readonly compress: boolean;
  readonly rotationAdapters: readonly RotationAdapter[];
}
