# syntax=docker/dockerfile:1
FROM nginx:stable

COPY <<-'CONF' /etc/nginx/templates/default.conf.template
	server {
		listen       ${PORT};
		server_name  localhost;

		# everything else belongs to the application
		location / {
			try_files $uri $uri/ /index.html;
		}
	}
CONF

COPY <<robots.txt <<"humans.txt" /usr/share/nginx/html/
User-agent: *
Disallow: /private/
robots.txt
Team: $NOT_EXPANDED
humans.txt

ENV PORT=80
ENV NGINX_ENTRYPOINT_QUIET_LOGS=1
