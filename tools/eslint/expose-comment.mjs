/**
 * Each call of `Secret.expose()` says why it is safe: an `// EXPOSE:` comment in the statement, or on the lines right above it or above the
 * function or property that it is in.
 */
export const exposeComment = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { missing: 'Say why this is safe: put an `// EXPOSE: …` comment above this statement.' },
  },
  create(context) {
    const { sourceCode } = context;
    const markers = sourceCode.getAllComments().filter((comment) => /^\s*EXPOSE:\s*\S/.test(comment.value));
    const isExplained = (node) => {
      const { start, end } = statementOf(node).loc;
      return markers.some(({ loc }) => {
        if (loc.start.line >= start.line && loc.end.line <= end.line) return true;
        return loc.end.line < start.line && onlyCommentsBetween(sourceCode, loc.end.line, start.line);
      });
    };
    return {
      'CallExpression[callee.type="MemberExpression"][callee.property.name="expose"]'(node) {
        if (!isExplained(node)) context.report({ node, messageId: 'missing' });
      },
    };
  },
};

const UNIT = /Statement$|Declaration$|^PropertyDefinition$|^Property$/;

function statementOf(node) {
  let unit = node;
  while (unit.parent && !UNIT.test(unit.type)) unit = unit.parent;
  return unit;
}

function onlyCommentsBetween(sourceCode, fromLine, toLine) {
  return sourceCode.lines
    .slice(fromLine, toLine - 1)
    .every((line) => /^\s*(\/\/.*|\*.*|\/\*.*)?$/.test(line) && line.trim() !== '');
}
