FROM php:7.4-apache
MAINTAINER Web Team <web@example.test>

ENV APACHE_DOCUMENT_ROOT /var/www/html/public
ENV DEBIAN_FRONTEND noninteractive

RUN apt-get update && apt-get install -y \
      libfreetype6-dev \
      libjpeg62-turbo-dev \

      libpng-dev \
  && docker-php-ext-configure gd --with-freetype --with-jpeg \
  && docker-php-ext-install -j$(nproc) gd mysqli pdo pdo_mysql
RUN sed -ri -e 's!/var/www/html!${APACHE_DOCUMENT_ROOT}!g' /etc/apache2/sites-available/*.conf
RUN a2enmod rewrite headers

add config/php.ini /usr/local/etc/php/
ADD https://getcomposer.org/download/2.2.24/composer.phar /usr/local/bin/composer
Run chmod 755 /usr/local/bin/composer
COPY ["src dir/", "/var/www/html/"]
VOLUME /var/www/html/uploads
EXPOSE 80
EXPOSE 443
CMD apache2-foreground
