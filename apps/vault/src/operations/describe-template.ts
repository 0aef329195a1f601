import type { describeTemplate } from '@keymesh/contracts';
import type { Handler } from '@keymesh/mesh';
import type { TemplatesPorts } from './list-templates.js';

/** One template. @throws TEMPLATE_NOT_FOUND, AUDIT_UNAVAILABLE */
export const makeDescribeTemplate = ({
  audited,
  templates,
}: TemplatesPorts): Handler<typeof describeTemplate> =>
  audited<typeof describeTemplate>('template.described', async ({ name }, _call, attempt) => {
    const template = templates.find(name);
    attempt.concerns('template', template.name);
    await attempt.succeeded();
    return template;
  });
