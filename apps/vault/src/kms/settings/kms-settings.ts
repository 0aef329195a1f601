import { z } from 'zod';

/** What one KMS is configured with: its own variables of the environment, and what becomes of them. */
export interface KmsSettings<Shape extends z.ZodRawShape, Config extends { readonly kind: string }> {
  readonly variables: Shape;
  /** @param required the value of a variable without which this KMS is nothing. */
  toConfig(
    variables: z.output<z.ZodObject<Shape>>,
    required: (name: Extract<keyof Shape, string>) => string,
  ): Config;
}

/** One KMS’s settings, with its types as they are. */
export const settings = <Shape extends z.ZodRawShape, Config extends { readonly kind: string }>(
  one: KmsSettings<Shape, Config>,
): KmsSettings<Shape, Config> => one;

/** A variable that may be absent. */
export const text = (description: string) => z.string().optional().describe(description);
