// fastify with sns-validator: what a small Node service for SNS looks like. The certificate comes from a file, because
// the validator fetches it from AWS alone and keeps it for good; everything else is the validator's own work.
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import https from 'node:https'
import Fastify from 'fastify'
import MessageValidator from 'sns-validator'

const certificate = readFileSync(process.env.CERTIFICATE)
https.get = (_url, answered) => {
  answered(Object.assign(Readable.from([certificate]), { statusCode: 200 }))
  return { on: () => {} }
}

const validator = new MessageValidator()
const app = Fastify({ logger: false, bodyLimit: 1024 * 1024 })
app.addContentTypeParser('text/plain', { parseAs: 'string' }, (_request, body, done) => {
  try {
    done(null, JSON.parse(body))
  } catch (error) {
    error.statusCode = 400
    done(error)
  }
})
app.post('/hooks/sns', (request, reply) => {
  validator.validate(request.body, (error, message) => {
    if (error || message.TopicArn !== process.env.TOPIC_ARN) {
      reply.code(403).send({ result: 'refused' })
      return
    }
    const { detail } = JSON.parse(message.Message)
    reply.send({ result: 'accepted', secret: detail.name })
  })
})
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
