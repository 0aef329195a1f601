import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BUILT_IN_POLICIES, writtenPolicies } from '@keymesh/policy-engine';
import { expectCode } from '@keymesh/testing';
import { readPolicyCases, runPolicyCases } from './policy-cases.js';
import { readPolicyFiles } from './policy-files.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keymesh-policies-'));
});
afterAll(() => rm(folder, { recursive: true }));
const file = async (name: string, text: string): Promise<string> => {
  await writeFile(join(folder, name), text);
  return join(folder, name);
};

describe('policy files', () => {
  it('hold one policy each, named by annotation or by the file', async () => {
    const one = await file('prod.cedar', 'forbid(principal, action, resource);\n');
    const other = await file(
      'x.cedar',
      '@id("staging")\n@twoPerson("true")\npermit(principal, action, resource);',
    );
    expect(await readPolicyFiles([one, other])).toEqual([
      { file: one, policyId: 'prod', cedar: 'forbid(principal, action, resource);' },
      {
        file: other,
        policyId: 'staging',
        twoPerson: true,
        cedar: expect.stringContaining('@id("staging")') as unknown,
      },
    ]);
    expect((await readPolicyFiles([folder])).map(({ policyId }) => policyId)).toEqual(['prod', 'staging']);
  });

  it('are refused with file, line and column', async () => {
    const broken = await file(
      'broken.cedar',
      'permit(principal, action, resource)\nwhen { context.risk < 5 };',
    );
    const refused = readPolicyFiles([broken]);
    await expectCode(refused, 'POLICY_INVALID');
    await expect(refused).rejects.toMatchObject({
      publicMessage: expect.stringMatching(/broken\.cedar:2:8: .*risk/) as unknown,
    });
    await rm(broken);
  });

  it('are refused when two are one policy, have no good name, or are not there', async () => {
    const twin = await file('twin.cedar', '@id("prod") permit(principal, action, resource);');
    await expectCode(readPolicyFiles([folder]), 'USAGE');
    await rm(twin);
    const named = await file('Not Good.cedar', 'permit(principal, action, resource);');
    await expectCode(readPolicyFiles([named]), 'POLICY_INVALID');
    await rm(named);
    await expectCode(readPolicyFiles([join(folder, 'nothing')]), 'USAGE');
  });
});

describe('policy cases', () => {
  const policies = [
    ...BUILT_IN_POLICIES,
    ...writtenPolicies([
      {
        policyId: 'prod',
        cedar:
          'forbid(principal, action, resource) when { resource has namespace && resource.namespace == "prod" } unless { principal has team && principal.team == "sre" };',
      },
    ]),
  ];
  const cases = async (...list: readonly object[]) =>
    readPolicyCases(await file('cases.json', JSON.stringify({ cases: list })));
  const reader = { name: 'billing', roles: ['reader'] };
  const prod = { kind: 'credential', id: 'c1', attributes: { namespace: 'prod' } };

  it('pass where the policies say so, and fail where they do not', async () => {
    const results = runPolicyCases(
      policies,
      await cases(
        {
          name: 'a',
          principal: reader,
          action: 'retrieve',
          resource: prod,
          effect: 'forbid',
          determiningPolicies: ['policy.prod'],
        },
        {
          principal: { ...reader, attributes: { team: 'sre' } },
          action: 'retrieve',
          resource: prod,
          effect: 'permit',
        },
        { principal: reader, action: 'retrieve', resource: prod, effect: 'permit' },
        { principal: reader, action: 'retrieve', resource: prod, effect: 'forbid', determiningPolicies: [] },
      ),
    );
    expect(results.map(({ name, passed }) => [name, passed])).toEqual([
      ['a', true],
      ['case 2', true],
      ['case 3', false],
      ['case 4', false],
    ]);
  });

  it('are refused with the field that is wrong', async () => {
    const refused = cases({ principal: reader, action: 'steal', resource: prod, effect: 'permit' });
    await expectCode(refused, 'USAGE');
    await expect(refused).rejects.toMatchObject({
      publicMessage: expect.stringContaining('cases.0.action') as unknown,
    });
    await expectCode(readPolicyCases(await file('cases.json', '{')), 'USAGE');
  });
});
