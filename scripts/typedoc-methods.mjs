/**
 * A plugin for typedoc. `memgrad/methods` declares the operations as methods of `Tensor`; without
 * this, the page of `Tensor` would list them all, also for readers who don't import that module.
 */
import { Converter, ReflectionKind } from 'typedoc';

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const member of project.getReflectionsByKind(ReflectionKind.Property)) {
      const file = project.getSymbolIdFromReflection(member)?.packagePath ?? '';
      const isOfTensor = ['Tensor', 'Parameter'].includes(member.parent?.name ?? '');
      if (isOfTensor && file.includes('operations/')) project.removeReflection(member);
    }
  });
}
