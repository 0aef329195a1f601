import type { Stage } from '@keymesh/contracts';

// What the clients know of a run: their own log of attempts and acknowledgements. Everything that the mesh says later is held against it.

/** One write that a client tried; `version` once it was acknowledged. */
interface Attempt {
  /** SHA-256 (hex) of the value that was sent; absent where the vault made it. */
  readonly digest: string | undefined;
  version?: number;
}

/** What is known of one credential. One client alone writes it. */
export interface KnownCredential {
  readonly name: string;
  /** Its values are made by the vault. */
  readonly isGenerated: boolean;
  readonly attempts: Attempt[];
  /** Digest of each version that was acknowledged or seen. */
  readonly digests: Map<number, string>;
  /** Highest acknowledged. */
  version: number;
  revision: number;
}

/** A value that a client got. */
export interface Reveal {
  readonly traceId: string;
  readonly principal: string;
  readonly credentialId: string;
  readonly version: number;
}

/** What the mesh says at the end of one credential. */
export interface FinalState {
  readonly versions: readonly { readonly version: number; readonly stage: Stage }[];
  /** Digests of the versions that can be retrieved. */
  readonly open: readonly { readonly version: number; readonly digest: string }[];
}

export interface Oracle {
  readonly credentials: readonly KnownCredential[];
  readonly reveals: readonly Reveal[];
  readonly violations: readonly string[];
  add(name: string, isGenerated: boolean): KnownCredential;
  /** Call before sending. @returns what to call with the acknowledgement, if there is one. */
  attempt(credential: KnownCredential, digest?: string): (ack: { version: number; revision: number }) => void;
  /** A value came. `known`: what was acknowledged before it was asked for. */
  revealed(
    credential: KnownCredential,
    known: Pick<KnownCredential, 'revision'>,
    reply: Reveal & { readonly revision: number; readonly digest: string; readonly stale: boolean },
  ): void;
  violated(what: string): void;
  /** Holds the final state against the log. `undefined`: the mesh does not know the credential. */
  check(credential: KnownCredential, state: FinalState | undefined): void;
}

/** An empty log. */
export function makeOracle(): Oracle {
  const credentials: KnownCredential[] = [];
  const reveals: Reveal[] = [];
  const violations: string[] = [];
  const violated = (what: string): void => void violations.push(what);

  // Two digests of one version would be a value that changed; a value nobody sent would be one mixed up or half written.
  const see = (credential: KnownCredential, version: number, digest: string): void => {
    const { name, isGenerated, attempts, digests } = credential;
    const before = digests.get(version);
    if (before !== undefined && before !== digest) violated(`${name} v${version}: its value changed`);
    if (!isGenerated && !attempts.some((attempt) => attempt.digest === digest))
      violated(`${name} v${version}: a value that nobody sent`);
    const other = [...digests].find(([of, same]) => same === digest && of !== version);
    if (other !== undefined) violated(`${name}: one value twice, as v${other[0]} and v${version}`);
    digests.set(version, digest);
  };

  return {
    credentials,
    reveals,
    violations,
    violated,
    add(name, isGenerated) {
      const credential: KnownCredential = {
        name,
        isGenerated,
        attempts: [],
        digests: new Map(),
        version: 0,
        revision: 0,
      };
      credentials.push(credential);
      return credential;
    },
    attempt(credential, digest) {
      const attempt: Attempt = { digest };
      credential.attempts.push(attempt);
      return ({ version, revision }) => {
        attempt.version = version;
        if (version <= credential.version) violated(`${credential.name} v${version}: a number used again`);
        credential.version = Math.max(credential.version, version);
        credential.revision = Math.max(credential.revision, revision);
        if (digest !== undefined) see(credential, version, digest);
      };
    },
    revealed(credential, known, { revision, digest, stale, ...reveal }) {
      reveals.push(reveal);
      see(credential, reveal.version, digest);
      if (!stale && revision < known.revision)
        violated(`${credential.name}: revision ${revision} after ${known.revision} was acknowledged`);
    },
    check(credential, state) {
      if (state === undefined) {
        if (credential.version > 0) violated(`${credential.name}: acknowledged, and gone`);
        return;
      }
      for (const { version, digest } of state.open) see(credential, version, digest);
      for (const problem of stageProblems(credential, state)) violated(`${credential.name}: ${problem}`);
    },
  };
}

function stageProblems({ attempts, version: acknowledged }: KnownCredential, state: FinalState): string[] {
  const { versions, open } = state;
  const problems: string[] = [];
  const of = (stage: Stage): number[] =>
    versions.filter((entry) => entry.stage === stage).map(({ version }) => version);
  const current = of('current');
  if (current.length !== 1) problems.push(`${current.length} current versions`);
  if (of('previous').length > 1) problems.push(`${of('previous').length} previous versions`);
  if ((current[0] ?? 0) < acknowledged)
    problems.push(`v${current[0] ?? 0} is current, v${acknowledged} was acknowledged`);
  for (const { version } of attempts)
    if (version !== undefined && !versions.some((entry) => entry.version === version))
      problems.push(`v${version} was acknowledged and is not in the history`);
  if (versions.length > attempts.length)
    problems.push(`${versions.length} versions of ${attempts.length} attempts`);
  if (open.length !== current.length + of('previous').length)
    problems.push('a version that is current or previous cannot be retrieved');
  return problems;
}
