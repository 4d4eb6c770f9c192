FROM node:18-slim

RUN mkdir -p /usr/src/app
WORKDIR /usr/src/app

ONBUILD ARG NODE_ENV
ONBUILD ENV NODE_ENV $NODE_ENV
onbuild copy package.json /usr/src/app/
ONBUILD RUN npm install && \
    npm cache clean --force
ONBUILD   COPY   . /usr/src/app
ONBUILD HEALTHCHECK --interval=1m CMD node healthcheck.js

CMD [ "npm", "start" ]
