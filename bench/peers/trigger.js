// fastify with standardwebhooks: what a small Node service for signed triggers looks like.
import Fastify from 'fastify'
import { Webhook } from 'standardwebhooks'

const webhook = new Webhook(process.env.TRIGGER_KEY, { format: 'raw' })
const app = Fastify({ logger: false, bodyLimit: 1024 * 1024 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body))
app.post('/hooks/trigger', (request, reply) => {
  try {
    const { secret } = webhook.verify(request.body, request.headers)
    reply.code(202).send({ result: 'accepted', secret })
  } catch {
    reply.code(401).send({ result: 'refused' })
  }
})
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
