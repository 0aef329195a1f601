// docs/reference/credential-types.md, from the plug-ins of the vault.
import { credentialTypes } from '../../apps/vault/dist/domain/types/index.js';
import { makeCredentialPolicies } from '../../apps/vault/dist/domain/quality/credential-policies.js';
import { GENERAL_RULES } from '../../apps/vault/dist/domain/quality/credential-policy.js';
import { knownProviders } from '../../apps/vault/dist/domain/quality/provider-patterns.js';

const policyOf = makeCredentialPolicies();
const yes = (flag) => (flag ? 'yes' : 'no');
const code = (names) => (names.length === 0 ? 'none' : names.map((name) => `\`${name}\``).join(', '));

const part = ({ name, summary, secret, required, format, maxBytes, strength }) =>
  `| \`${name}\` | ${summary} | ${yes(secret)} | ${yes(required)} | ${format} | ${maxBytes} | ${strength ?? '-'} |`;

function section(plugin) {
  const {
    type,
    summary,
    parts,
    primaryPart,
    generates = [],
    rotationAdapters,
    compress,
    readsExpiry,
  } = plugin;
  const { maxAgeDays, minLengthChars, rules } = policyOf('default', type);
  const softened = Object.entries(rules).map(([rule, strictness]) => `\`${rule}\` ${strictness}`);
  return `## \`${type}\`

${summary}

| part | what | secret | required | format | most bytes | strength |
| --- | --- | --- | --- | --- | --- | --- |
${parts.map(part).join('\n')}

- "The value" is \`${primaryPart}\`. Generated: ${code(generates)}. Rotation adapters: ${code(rotationAdapters)}.
- Expiry read from the value: ${yes(readsExpiry)}. Compressed before encryption: ${yes(compress)}.
- Built-in policy: at least ${minLengthChars} characters; ${maxAgeDays === null ? 'does not age' : `expires after ${maxAgeDays} days`}${softened.length === 0 ? '' : `; ${softened.join(', ')}`}.
${(plugin.rules ?? []).map(({ rule, strictness, advice }) => `- Rule \`${rule}\` (${strictness}): ${advice}`).join('\n')}`.trimEnd();
}

const ruleRow = ({ rule, strictness, advice }) =>
  `| \`${rule}\` | ${strictness} | ${advice.replace('{minLengthChars}', 'n')} |`;

/** @param note says that the page is generated, and by what. */
export const credentialTypesPage = (note) => `# Credential types

${note.replace('`libs/contracts`', 'the plug-ins in `apps/vault/src/domain/types`')}

A value has parts; together they are at most 64 KiB and are encrypted as one. A part that is not secret is encrypted like the others, and may be shown while it is typed. Strength:
\`chosen\` parts are guessed with dictionaries, \`issued\` ones measured by entropy, \`-\` is not judged by its letters. How to add a type:
[add-a-credential-type.md](../guides/add-a-credential-type.md).

${Object.values(credentialTypes).map(section).join('\n\n')}

## Rules of every type

\`enforce\` refuses the value (\`CREDENTIAL_WEAK\`), \`warn\` stores it with a finding, \`off\` does not look. What the vault has generated is not judged. Each can be set for a namespace and type
([credential-policy.md](credential-policy.md)).

| rule | strictness | advice |
| --- | --- | --- |
${GENERAL_RULES.map(ruleRow).join('\n')}

The score is 100 × bits / 80, at most 100, where bits is the strength of the weakest part (guesses, entropy, or the security of a key), less 10 for each warning and 40 for each
error; generated values begin at 100. It is null where nothing can be judged, as for \`generic\`.

## Known provider formats

With these providers the value is held against the shape of what they issue; another shape is a finding (\`provider-format\`).

| provider | types |
| --- | --- |
${knownProviders()
  .map(({ provider, types }) => `| \`${provider}\` | ${code(types)} |`)
  .join('\n')}
`;
