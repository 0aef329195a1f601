/** What must hold of the vault's rows, and what is said where it does not. */
export const ROW_RULES = {
  'credential-hmac': 'the HMAC of its row does not hold',
  'version-hmac': 'the HMAC of the version row does not hold',
  stage: 'the version has a stage that the credential does not say',
  'version-number': 'the version has a number above the last one given',
  current: 'it has not exactly one current version',
  'current-destroyed': 'its current version is destroyed',
  'no-version': 'it has no version',
  'destroyed-holds-bytes': 'the version is destroyed and still holds bytes',
  'kek-damaged': 'the KEK of the version does not unwrap',
  'data-key-damaged': 'the data key of the version does not unwrap',
  'value-damaged': 'the value of the version does not open',
  orphan: 'the version belongs to no credential',
  'namespace-mismatch': 'its namespace is not the one that its row names',
  'kek-mismatch': 'the KEK of the version is missing, destroyed, of another namespace or of another number',
  'data-key-reused': 'its data key id is also that of another version',
  'active-kek': 'the namespace has not exactly one active KEK',
  'destroyed-kek-holds-bytes': 'the KEK is destroyed and still holds bytes',
  'sequence-behind': 'the sequence of revisions is behind the rows',
  'lock-hmac': 'the HMAC of the lock row does not hold',
  'system-key': 'the system key does not unwrap, or is not the public key beside it',
  kek: 'the KEK does not unwrap',
} as const;
export type RowRule = keyof typeof ROW_RULES;

/** Something that does not hold. Ids, numbers and rules, never a name or value. */
export interface RowProblem {
  readonly rule: RowRule;
  readonly problem: string;
  readonly credentialId?: string;
  readonly version?: number;
  readonly kekId?: string;
  readonly namespaceId?: string;
  readonly systemKey?: string;
}
