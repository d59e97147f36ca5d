/** Describes one step: the operation with its numbers, or each rule that was applied. */
import {
  type Contribution,
  type ExplainedNode,
  type Explanation,
  ruleOf,
  showNode,
  showSum,
  showValue,
  stepsOf,
} from 'memgrad/explain';

export function StepText({
  explanation,
  position,
}: {
  explanation: Explanation;
  position: number;
}) {
  return (
    <div class="card step-text" role="status">
      <Said explanation={explanation} position={position} />
    </div>
  );
}

function Said({ explanation, position }: { explanation: Explanation; position: number }) {
  const { nodes, summed, defaults } = explanation;
  const step = stepsOf(explanation)[position];
  if (step.kind === 'start') {
    return (
      <>
        <h2>Before the first operation</h2>
        <p>The variables have their values; nothing has been computed.</p>
        {defaults.length > 0 && (
          <p>No value was written for {defaults.join(', ')}, so a default is used.</p>
        )}
        {summed && (
          <p>The result has several numbers. A gradient needs a single one, so they are summed.</p>
        )}
      </>
    );
  }
  const node = nodes[step.node];
  if (step.kind === 'seed') {
    return (
      <>
        <h2>Backward begins</h2>
        <pre>d{node.name} = 1</pre>
        <p>
          The derivative of the result with respect to itself. From here on every rule is applied
          backward.
        </p>
      </>
    );
  }
  const computed = showNode(explanation, node);
  if (step.kind === 'forward') {
    return (
      <>
        <h2>
          Forward: <code>{computed}</code>
        </h2>
        <pre>= {showValue(node.value, node.shape)}</pre>
        {node.ranAs.join() !== node.operation && <p>The engine ran: {node.ranAs.join(', ')}.</p>}
      </>
    );
  }
  return (
    <>
      <h2>
        Backward: <code>{computed}</code>
      </h2>
      <p>
        Incoming gradient:{' '}
        <code>
          d{node.name} = {showValue(step.back.incoming, node.shape)}
        </code>
      </p>
      {step.back.contributions.map((contribution) => (
        <Applied
          key={contribution.input}
          explanation={explanation}
          node={node}
          contribution={contribution}
        />
      ))}
    </>
  );
}

function Applied({
  explanation,
  node,
  contribution,
}: {
  explanation: Explanation;
  node: ExplainedNode;
  contribution: Contribution;
}) {
  const { name, shape } = explanation.nodes[contribution.to];
  const { formula, numbers, words } = ruleOf(explanation, node, contribution.input);
  const parts = formula?.split('; ') ?? [];
  const value = showValue(contribution.value, shape);
  const came = numbers && numbers !== value ? `= ${numbers}\n= ${value}` : `= ${value}`;
  return (
    <>
      <pre>
        {[
          ...parts.slice(0, -1),
          `d${name} += ${parts.at(-1) ?? ''}`,
          came,
          ...(contribution.before ? [`\n${showSum(explanation, contribution)}`] : []),
        ].join('\n')}
      </pre>
      {words && <p class="hint">{words}</p>}
    </>
  );
}
