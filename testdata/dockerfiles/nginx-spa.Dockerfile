FROM node:lts AS build
WORKDIR /app
COPY package*.json ./
RUN npm ci
COPY ./ .
ARG PUBLIC_URL=/
RUN PUBLIC_URL=$PUBLIC_URL npm run build -- --mode production

FROM nginx:1.27-alpine
RUN rm -rf /usr/share/nginx/html/* && rm /etc/nginx/conf.d/default.conf
COPY --from=build /app/dist/ /usr/share/nginx/html/
COPY nginx.conf /etc/nginx/conf.d/
RUN chgrp -R 0 /var/cache/nginx /var/run /etc/nginx && chmod -R g=u /var/cache/nginx /var/run
EXPOSE 8080
HEALTHCHECK CMD curl --fail http://localhost:8080/ || exit 1
CMD ["nginx", "-g", "daemon off;"]
